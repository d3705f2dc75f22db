"""The static site that people browse, made at the end of each run. It needs no server, no network and no script.

facts.py and mart_facts.py read the ledger, project.py what dbt knows of models and columns. datasets.py, checks.py,
ways.py and models.py shape what a page shows, attention.py what the front page leads to, plots.py draws. write.py
renders all pages, and place.py puts the finished site in the place of the last one.
"""
