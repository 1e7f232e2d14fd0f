#include "verbs/verbs.h"

#include "base/log.h"
#include "serve/server.h"

int verb_serve(int argc, char **argv)
{
	struct conf *conf;
	switch (conf_parse(&conf, CONF_SERVE, argc, argv)) {
	case CONF_HELP:
		return 0;
	case CONF_USAGE:
		return 2;
	case CONF_OK:
		break;
	}
	int status = 2;
	if (conf_operands(conf) > 0)
		log_say("serve: %s: not expected (see `curlew serve --help`)", conf_operand(conf, 0));
	else
		status = server_run(conf);
	conf_free(conf);
	return status;
}
