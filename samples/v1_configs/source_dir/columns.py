"""The columns of the diabetes data, in the order in which the model takes them."""

COLUMNS = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")


def row(person: dict) -> list:
    """One person's values; what is not measured counts as the mean, which is 0 in this data."""
    return [person.get(column, 0.0) for column in COLUMNS]
