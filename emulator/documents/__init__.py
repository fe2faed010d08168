"""Documents that users write, in YAML and JSON: values with their lines, and faults that name them."""
