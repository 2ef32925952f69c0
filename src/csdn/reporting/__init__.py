"""Tables, costs, curves, summary sentences and the report page."""
