"""The one room that knows Kubernetes: access, client, discovery and reflector.

Bodies are raw JSON on purpose: typed models cost more time and memory than all the rest together.
"""
