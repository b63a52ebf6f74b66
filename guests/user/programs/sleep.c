/* sleep [milliseconds] */
#include "../lib/user.h"

int main(int argc, char **argv)
{
    call(SYS_SLEEP, argument(argc, argv, 1, 1000) * 1000);
    return 0;
}
