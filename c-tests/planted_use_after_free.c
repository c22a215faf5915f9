/* Uses a text of a certificate after the certificate's end, on purpose: memory checkers must notice misuse of what
 * the library has allocated, too. The argument is a PEM file. */
#include "bglssl.h"

int main(int argc, char **argv)
{
    bgl_ssl_certificate_t *cert = argc == 2 ? bgl_ssl_load_certificate(argv[1]) : 0;
    if (!cert)
        return 2;
    const volatile char *subject = bgl_ssl_certificate_subject(cert);
    bgl_ssl_certificate_free(cert);
    return subject[0] == 1 ? 3 : 0;
}
