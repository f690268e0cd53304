"""The twin of a workspace below one folder: listed, read, and changed in whole steps.

Whoever calls is the user whose folder it is: a process of that user behind the platform's API, or
haiworkspace where the folder is mounted. Nothing leads out of the folder: names are checked, and
directories are opened one below the other without following links. Standard library only.
"""
