"""Generations of containers: started, waited for, and removed."""
