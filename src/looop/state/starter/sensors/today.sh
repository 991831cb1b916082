#!/bin/sh
# looop: interval=5m trust=own
# The date is signal, so the loop wakes once a day; the time is detail, so it does not wake it.
printf '{"signal": {"date": "%s", "weekday": "%s"}, "detail": {"time": "%s"}}\n' \
  "$(date +%F)" "$(date +%A)" "$(date +%T)"
