cd /tmp/w/k && /tmp/w/dv/bin/python setup.py -q build_ext --inplace 2>&1 | grep -iE "warning|error"
