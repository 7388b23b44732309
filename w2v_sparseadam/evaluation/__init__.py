"""How good vectors are, by data sets of people's judgements."""
