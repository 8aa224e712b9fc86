"""What other systems know already, handed over in files: checked whole, then recorded as events."""
