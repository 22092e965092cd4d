"""The composition root: reads the options and decides which implementation every part of a program gets.

A module for each program. None imports what its program is not made of, and what only some configurations need is imported where they are read:
every module costs time at the start, and memory in each process.
"""
