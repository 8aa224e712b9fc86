"""Reports that no projection makes alone: bills, closed months, open windows; and every report as text."""
