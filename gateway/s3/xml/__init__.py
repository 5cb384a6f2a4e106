"""The only place that builds (`build`) or parses (`parse`) XML: nobody else knows a tag."""
