"""Convert videos of talking people to items that A2V-DiT is trained on.

In reading order: ``sources`` finds the videos, ``scan`` cuts each into shots and items, ``item`` makes one
item, ``units`` and ``engines`` run both in processes or on Ray, ``manifest`` lists the results.
"""
