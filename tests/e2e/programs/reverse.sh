# An agent that takes a prompt and answers in plain text. `fail` in the prompt makes it fail.
prompt=$(cat)
case $prompt in
*fail*)
    echo 'reverse: it cannot be done' >&2
    exit 4
    ;;
esac
echo "Your words, turned round:"
printf '%s' "$prompt" | rev
