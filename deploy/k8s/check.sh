#!/usr/bin/env bash
# Renders each overlay and has validators and scanners look at it, and at the Dockerfiles.
# Whatever they find is a failure, unless it is explained where it was found.
#
# TOOLS: the folder of the programs that tools/requirements.txt names.
set -euo pipefail
cd "$(dirname "$0")/../.."

tools=${TOOLS:?the folder of checkov, hadolint, kubectl and kubernetes-validate}
PATH=$(realpath "$tools"):$PATH
overlays=(laptop production)
versions=(1.35 1.36 1.37) # of Kubernetes, the last three
# Their resources are defined in the cluster; no schema of Kubernetes has them.
operators='(rabbitmq\.com|postgresql\.cnpg\.io|barmancloud\.cnpg\.io|keda\.sh|external-secrets\.io'
operators+='|monitoring\.coreos\.com|gateway\.networking\.k8s\.io)'

rendered=$(mktemp -d)
trap 'rm -rf "$rendered"' EXIT

files=()
for overlay in "${overlays[@]}"; do
    files+=("$rendered/$overlay.yaml")
    kubectl kustomize "deploy/k8s/overlays/$overlay" >"$rendered/$overlay.yaml"
    echo "$overlay: $(grep -c '^kind:' "$rendered/$overlay.yaml") objects"
done

for version in "${versions[@]}"; do
    log=$rendered/$version.log
    valid=true
    "$tools/kubernetes-validate" --kubernetes-version "$version" --strict "${files[@]}" >"$log" 2>&1 \
        || valid=false
    # A version of an API that is gone is only warned of.
    if grep -vE "^INFO|Couldn't find schema for kind [A-Za-z]+ with api version $operators/" "$log" \
        || ! $valid; then
        echo "Kubernetes $version: not valid" >&2
        exit 1
    fi
    echo "Kubernetes $version: $(grep -c '^INFO.*passed' "$log") objects valid," \
        "$(grep -c "Couldn't find schema" "$log") of operators not looked at"
done

dockerfiles=(services/*/Dockerfile gateway/Dockerfile)
"$tools/checkov" --file "${files[@]}" "${dockerfiles[@]}" --framework kubernetes dockerfile \
    --compact --quiet --skip-download >"$rendered/findings" || { cat "$rendered/findings"; exit 1; }
sed -n 's/^Passed checks/checkov: passed/p' "$rendered/findings"
"$tools/hadolint" "${dockerfiles[@]}"
echo "hadolint: ${#dockerfiles[@]} Dockerfiles"
