"""What the export stage is made of: warm-up requests, the check in a fresh process, conversions, the card."""
