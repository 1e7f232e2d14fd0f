# Markdown, as far as the pages of this folder use it, to a manual page. -v name=curlew-schema -v section=7
function inline(s) {
	gsub(/\\\|/, "|", s)
	gsub(/\\/, "\\e", s)
	while (match(s, /`[^`]*`/))
		s = substr(s, 1, RSTART - 1) "\\fB" substr(s, RSTART + 1, RLENGTH - 2) "\\fR" substr(s, RSTART + RLENGTH)
	while (match(s, /\[[^]]*\]\([^)]*\)/)) {
		t = substr(s, RSTART, RLENGTH)
		sub(/^\[/, "", t)
		sub(/\]\(.*$/, "", t)
		s = substr(s, 1, RSTART - 1) t substr(s, RSTART + RLENGTH)
	}
	gsub(/-/, "\\-", s)
	return s ~ /^[.']/ ? "\\&" s : s
}
function cells(line) {
	gsub(/\\\|/, "\001", line)
	n = split(line, cell, /\|/)
	for (i = 1; i <= n; i++) {
		gsub(/^ +| +$/, "", cell[i])
		gsub(/\001/, "|", cell[i])
	}
}
BEGIN { print ".TH " toupper(name) " " section " \"\" curlew" }
/^```/ { code = !code; print code ? ".PP\n.nf\n.RS 4" : ".RE\n.fi"; next }
code { gsub(/\\/, "\\e"); gsub(/-/, "\\-"); print /^[.']/ ? "\\&" $0 : $0; next }
/^# / { print ".SH NAME\n" name " \\- " inline(tolower(substr($0, 3, 1)) substr($0, 4)) "\n.SH DESCRIPTION"; next }
/^## / { print ".SH " inline(toupper(substr($0, 4))); next }
/^### / { print ".SS " inline(substr($0, 5)); next }
/^\|---/ { next }
/^\|/ { cells($0); if (cell[2] ~ /^(column|view|trigger|option|file|status)$/) next; print ".TP\n" inline(cell[2]) (n > 4 ? " (" cell[3] ")" : "") "\n" inline(cell[n - 1]); next }
/^- / { print ".IP \\(bu 2\n" inline(substr($0, 3)); next }
/^$/ { print ".PP"; next }
{ sub(/^ +/, ""); print inline($0) }
