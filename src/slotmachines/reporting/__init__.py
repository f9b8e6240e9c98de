"""From numbers to pictures: statistics, verdicts, tables, figures and the report. Never imports torch."""
