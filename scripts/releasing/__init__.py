"""Wheels, the image of the platform and images to train in, from what is committed.

Nothing runs inside an image while it is made: a base (Debian's packages, or an image that the
container engine has) gets one layer on top, packed here with sorted names, fixed owners and the
commit's time. The same commit on the same base is the same image id, on any machine.
"""
