"""What users read: reasons and prospects in plain English, in one voice."""
