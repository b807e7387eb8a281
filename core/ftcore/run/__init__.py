"""A run, as data flowing one way through six functions in six files:

run file + flags ─resolve→ Plan ─check→ findings ─load→ Loaded ─build→ Session ─train→ Outcome ─report→ Report
"""
