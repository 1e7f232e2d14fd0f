# The --help of one verb after another, to Markdown as man.awk reads it.
function close_examples() { if (part == "examples") print "```\n" }
/^Usage: / { close_examples(); verb = $3; sub(/^Usage: /, ""); print "### `" verb "`\n\n`" $0 "`"; part = "about"; next }
/^Options:$/ { print "| option | does |\n|---|---|"; part = "options"; next }
/^Examples:$/ { print "```"; part = "examples"; next }
part == "options" && match($0, /^ +(-., )?--[a-z-]+( [A-Z:]+)?/) {
	option = substr($0, 1, RLENGTH)
	does = substr($0, RLENGTH + 1)
	gsub(/^ +/, "", option)
	gsub(/^ +/, "", does)
	gsub(/\|/, "\\|", does)
	print "| `" option "` | " does " |"
	next
}
{ print part == "examples" ? substr($0, 3) : $0 }
END { close_examples() }
