"""Charts, contact sheets and the HTML report, from tidy tables and arrays only; nothing here opens a data file."""
