"""NYC taxi trips: how long will this trip take?"""
