#!/usr/bin/env bash
# Everything that a CI job does for the Dice gate, a function a step: docs/ci.md.
#
#   ci/dice-gate.sh setup|pull|reproduce|gate|comment|push
#
# BASE         revision to compare with (default origin/main); its reports/ must be in git
# COMMENT_WITH github, gitlab or folder: who gets the comment (default folder: it stays in OUT)
# OUT          folder of the comment and its figures (default .augbench/dice-gate)
# JOBS         stages at the same time (default 2)
# STUDY        folder of the study that is gated (default .: the root's)
# DVC_EXTRA    storage of the DVC remote: s3, gs, azure, ssh, ... (default none)
set -euo pipefail
cd "$(dirname "$0")/.."
export OMP_NUM_THREADS=1 PATH="$PWD/.venv/bin:$PATH"

BASE=${BASE:-origin/main}
COMMENT_WITH=${COMMENT_WITH:-folder}
OUT=${OUT:-.augbench/dice-gate}
JOBS=${JOBS:-2}
STUDY=${STUDY:-.}

setup() {
    make setup
    if [ -n "${DVC_EXTRA:-}" ]; then
        python -m pip install --quiet -c constraints.txt "dvc[$DVC_EXTRA]"
    fi
}

has_remote() { [ -n "$(dvc remote list)" ]; }

pull() {
    if [[ $BASE == origin/?* ]]; then
        # GitLab fetches the branch of the merge request alone.
        git fetch --quiet origin "+refs/heads/${BASE#origin/}:refs/remotes/$BASE"
    fi
    if ! has_remote; then
        echo "dice-gate: no DVC remote is configured: every stage is computed here"
    elif ! dvc pull --run-cache --allow-missing; then
        # A fork has no credentials: slower, but the same answer.
        echo "dice-gate: could not pull: what is missing is computed here"
    fi
}

reproduce() { augbench repro --jobs "$JOBS"; }

# Exit code 0 pass, 1 fail, 3 inconclusive, 2 bad input; the comment is written in every case.
gate() {
    rm -rf "$OUT"
    mkdir -p "$OUT"
    local code=0
    augbench gate "$BASE" --markdown >"$OUT/comment.md" 2>"$OUT/messages.txt" || code=$?
    cat "$OUT/messages.txt" >&2
    if [ ! -s "$OUT/comment.md" ]; then
        { echo "**The Dice gate could not decide** (exit code $code)."; fenced <"$OUT/messages.txt"; } >"$OUT/comment.md"
    fi
    cp reports/figures/sheet-*.png reports/figures/forest-*.svg "$OUT/" 2>/dev/null || true
    augbench diff "$BASE" --html "$OUT/since-base.html" >/dev/null 2>&1 || true
    cat "$OUT/comment.md"
    return "$code"
}

fenced() { printf '\n```\n'; cat; printf '```\n'; }

comment() {
    if [ ! -s "$OUT/comment.md" ]; then
        echo "dice-gate: the gate has not run, there is nothing to post"
        return
    fi
    "comment_with_$COMMENT_WITH"
}

# figures LINK: a heading and a line a figure; LINK turns a file into what the platform shows.
figures() {
    local link=$1 file
    printf '\n<details><summary>Forest plot and contact sheets of this revision</summary>\n\n'
    for file in "$OUT"/forest-*.svg "$OUT"/sheet-*.png; do
        [ ! -f "$file" ] || printf '%s\n\n' "$("$link" "$file")"
    done
    printf '</details>\n'
}

comment_with_folder() {
    file_link() { printf '![%s](%s)' "$(basename "$1")" "$(basename "$1")"; }
    figures file_link >>"$OUT/comment.md"
    echo "dice-gate: the comment is in $OUT/comment.md"
}

# Figures may show patients: they go to a branch of this repository, not to an image host.
comment_with_github() {
    local branch="dice-gate/pr-$PR_NUMBER" images
    images=$(mktemp -d)
    cp "$OUT"/*.png "$OUT"/*.svg "$images/" 2>/dev/null || true
    git -C "$images" init -q
    git -C "$images" add -A
    git -C "$images" -c user.name=dice-gate -c user.email=dice-gate@localhost commit -q --allow-empty -m "Figures of #$PR_NUMBER"
    IMAGES_COMMIT=$(git -C "$images" rev-parse HEAD)
    git fetch -q "$images" HEAD
    git push -q --force origin "$IMAGES_COMMIT:refs/heads/$branch"
    github_link() {
        printf '![%s](%s/%s/blob/%s/%s?raw=true)' "$(basename "$1")" "$GITHUB_SERVER_URL" "$GITHUB_REPOSITORY" "$IMAGES_COMMIT" "$(basename "$1")"
    }
    figures github_link >>"$OUT/comment.md"
    gh pr comment "$PR_NUMBER" --body-file "$OUT/comment.md"
}

comment_with_gitlab() {
    local project="$CI_API_V4_URL/projects/$CI_PROJECT_ID"
    gitlab_link() {
        curl --silent --show-error --fail --header "PRIVATE-TOKEN: $GITLAB_TOKEN" --form "file=@$1" "$project/uploads" |
            python -c 'import json, sys; print(json.load(sys.stdin)["markdown"])'
    }
    figures gitlab_link >>"$OUT/comment.md"
    curl --silent --show-error --fail --output /dev/null --header "PRIVATE-TOKEN: $GITLAB_TOKEN" \
        --data-urlencode "body@$OUT/comment.md" "$project/merge_requests/$CI_MERGE_REQUEST_IID/notes"
}

push() {
    if ! has_remote; then
        echo "dice-gate: no DVC remote is configured: nothing is pushed"
        return
    fi
    dvc push --run-cache
}

[ "${1:-}" = setup ] || cd "$STUDY"

case ${1:-} in
setup | pull | reproduce | gate | comment | push) "$1" ;;
*)
    echo "usage: ci/dice-gate.sh setup|pull|reproduce|gate|comment|push" >&2
    exit 2
    ;;
esac
