# An agent that reads a prompt and writes plain text. It fails if the prompt contains `fail`.
prompt=$(cat)
case $prompt in
*fail*)
    echo 'reverse: it cannot be done' >&2
    exit 4
    ;;
esac
echo "Your words, turned round:"
printf '%s' "$prompt" | rev
