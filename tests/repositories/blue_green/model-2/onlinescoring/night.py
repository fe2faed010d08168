def is_night(hour):
    return hour < 6 or hour >= 22
