#include "verbs/verbs.h"

#include "base/log.h"
#include "server/server.h"

int verb_serve(int argc, char **argv)
{
	int status;
	struct conf *conf = conf_parse(CONF_SERVE, argc, argv, &status);
	if (conf == NULL)
		return status;
	status = 2;
	if (conf_operands(conf) > 0)
		log_say("serve: %s: not expected (see `curlew serve --help`)", conf_operand(conf, 0));
	else
		status = server_run(conf);
	conf_free(conf);
	return status;
}
