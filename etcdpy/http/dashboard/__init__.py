"""The dashboard: one page with its scripts and styles, which talks to the JSON gateway."""

from etcdpy.http.dashboard.pages import ROOT, Dashboard

__all__ = ["ROOT", "Dashboard"]
