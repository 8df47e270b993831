"""The dashboard: `flux dev` and `flux top` show it; an HTTP client like any other."""
