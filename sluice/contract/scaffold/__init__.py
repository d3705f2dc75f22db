"""The first draft of a dataset, from a sample: a contract, a staging model, example rows. Pure: gives texts.

Unlike derived files, these are written once and are the user's from then on. What a sample
cannot prove is listed by the command, the riskiest first, and marked `# confirm:` on its line.
"""
