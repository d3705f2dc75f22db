"""The static site that people browse, made at the end of each run. It needs no server, no network and no script.

facts.py reads the ledger; project.py what dbt knows of models and columns; datasets.py and models.py shape both into
what a page shows; plots.py draws; write.py renders and puts the finished site in place of the last one.
"""
