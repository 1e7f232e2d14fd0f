# The --help of one verb after another, to Markdown as man.awk reads it.
function close_examples() { if (part == "examples") print "```\n" }
/^Usage: / { close_examples(); verb = $3; sub(/^Usage: /, ""); print "### `" verb "`\n\n`" $0 "`"; part = "about"; next }
/^Options:$/ { print "| option | does |\n|---|---|"; part = "options"; next }
/^Examples:$/ { print "```"; part = "examples"; next }
part == "options" && /^ +(-., )?--/ { # two spaces part an option from what it does
	sub(/^ +/, "")
	match($0, /  +/)
	option = substr($0, 1, RSTART - 1)
	does = substr($0, RSTART + RLENGTH)
	gsub(/\|/, "\\|", option)
	gsub(/\|/, "\\|", does)
	print "| `" option "` | " does " |"
	next
}
{ print part == "examples" ? substr($0, 3) : $0 }
END { close_examples() }
