"""The parity table: one module for each area, a row for each behaviour."""
