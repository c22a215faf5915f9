#!/bin/sh
# What scripts/check.sh and c-tests/run_tests.py tell of planted failures.
set -u
. scripts/cases.sh

planted() { # NAME, the script on standard input
    { echo '#!/bin/sh'; cat; } >"$work/$1"
    chmod +x "$work/$1"
}
planted 10-fine.sh <<'END'
echo "ok one"
echo "skip two: no such tool"
echo "1 passed, 0 failed, 1 skipped"
END
planted 20-broken.sh <<'END'
echo "  not ok three: the reason"
echo "  | in detail"
echo "not ok three: the reason"
echo "0 passed, 1 failed, 0 skipped"
exit 1
END
planted 30-examples.sh <<'END'
echo "not ok - four"
echo "#   its log"
echo "ok - five"
echo "#   nobody's log"
echo "1 passed, 1 failed, 0 skipped"
exit 1
END
planted 40-dies.sh <<'END'
echo "about to die"
exit 3
END
planted 50-nameless.sh <<'END'
echo "0 passed, 2 failed, 0 skipped"
exit 1
END
planted t_planted <<'END'
echo "ok six"
echo "not ok seven: 1 is not 2"
echo "besides" >&2
exit 1
END
cat >"$work/expected" <<'END'
=== skipped
fine: skip two: no such tool
=== failed
broken: not ok three: the reason
      | in detail
examples: not ok - four
    #   its log
dies: not ok: it printed no count (exit status 3)
    | about to die
nameless: not ok: 2 failed, of which it named none
    | 0 passed, 2 failed, 0 skipped
c: not ok seven: 1 is not 2
      | besides
3 passed, 6 failed, 1 skipped
END
suites="$work/10-fine.sh $work/20-broken.sh $work/30-examples.sh $work/40-dies.sh $work/50-nameless.sh"

if command -v python3 >/dev/null; then
    planted 60-c.sh <<END
python3 c-tests/run_tests.py --results $work/results $work/t_planted
python3 c-tests/run_tests.py --total $work/results
END
    # shellcheck disable=SC2086 # a list of words
    scripts/check.sh $suites "$work/60-c.sh" >"$work/whole" 2>&1
    status=$?
    sed -n '/^=== skipped$/,$p' "$work/whole" | diff "$work/expected" - >"$work/log"
    verdict what_failed_is_told_with_its_reasons_just_before_the_count $?
    [ "$status" = 1 ]
    verdict a_failure_is_the_status_of_the_whole $?
else
    skip what_failed_is_told_with_its_reasons_just_before_the_count "the command python3"
fi
scripts/check.sh "$work/10-fine.sh" >"$work/log" 2>&1
verdict a_skip_fails_nothing $?

finish
