/*
 * tls.c
 *	  Certificates from PEM texts.
 *
 * libwebsockets would take a certificate from memory, but only one: it would
 * leave out the rest of the chain.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <time.h>

/* Of TLS 1.2: no key that outlives its connection, no cipher that needs care. */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"

typedef struct Credentials
{
	X509 *certificate;
	STACK_OF(X509) * chain;
	EVP_PKEY *key;
} Credentials;

static void
free_credentials(Credentials *credentials)
{
	X509_free(credentials->certificate);
	sk_X509_pop_free(credentials->chain, X509_free);
	EVP_PKEY_free(credentials->key);
}

/* A key that asks for a pass phrase gets none. */
static int
no_pass_phrase(char *buffer, int size, int writing, void *context)
{
	(void) buffer;
	(void) size;
	(void) writing;
	(void) context;
	return 0;
}

/* Reads the leaf and what follows it; false when there is no certificate. */
static bool
read_certificates(Text pem, Credentials *credentials)
{
	BIO	 *bio = BIO_new_mem_buf(pem.data, pem.length);
	X509 *certificate;

	if (bio == NULL)
		return false;
	credentials->certificate = PEM_read_bio_X509_AUX(bio, NULL, no_pass_phrase, NULL);
	credentials->chain = sk_X509_new_null();
	while (credentials->certificate != NULL && credentials->chain != NULL &&
		   (certificate = PEM_read_bio_X509(bio, NULL, no_pass_phrase, NULL)) != NULL)
	{
		if (sk_X509_push(credentials->chain, certificate) == 0)
		{
			X509_free(certificate);
			break;
		}
	}
	BIO_free(bio);
	ERR_clear_error();
	return credentials->certificate != NULL && credentials->chain != NULL;
}

static bool
read_key(Text pem, Credentials *credentials)
{
	BIO *bio = BIO_new_mem_buf(pem.data, pem.length);

	if (bio == NULL)
		return false;
	credentials->key = PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, NULL);
	BIO_free(bio);
	ERR_clear_error();
	return credentials->key != NULL;
}

/* Says what is wrong with the days of a certificate; nothing, if nothing is. */
static void
check_dates(const X509 *certificate, char *problem, size_t problem_size)
{
	const ASN1_TIME *from = X509_get0_notBefore(certificate);
	const ASN1_TIME *to = X509_get0_notAfter(certificate);
	bool			 early = X509_cmp_current_time(from) > 0;
	struct tm		 at;
	char			 date[32];

	problem[0] = '\0';
	if ((!early && X509_cmp_current_time(to) >= 0) || !ASN1_TIME_to_tm(early ? from : to, &at))
		return;
	strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S UTC", &at);
	snprintf(problem, problem_size, "the certificate in pageviews.ssl_cert_file %s %s",
			 early ? "is not valid before" : "expired at", date);
}

bool
tls_configure(void *ssl_context, const ListenerConfig *config, char *problem, size_t problem_size)
{
	SSL_CTX	   *context = ssl_context;
	Credentials credentials = {0};
	const char *what = NULL;

	SSL_CTX_set_min_proto_version(context,
								  config->tls_minimum == TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
									 SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	(void) SSL_CTX_set_cipher_list(context, CIPHERS);

	if (!read_certificates(config->tls_certificate, &credentials))
		what = "there is no certificate in pageviews.ssl_cert_file";
	else if (!read_key(config->tls_key, &credentials))
		what = "there is no key without a pass phrase in pageviews.ssl_key_file";
	else if (X509_check_private_key(credentials.certificate, credentials.key) != 1)
		what = "the key in pageviews.ssl_key_file is not that of the certificate";
	else if (SSL_CTX_use_cert_and_key(context, credentials.certificate, credentials.key,
									  credentials.chain, 1) != 1)
		what = "OpenSSL refuses the certificate or its key";

	if (what != NULL)
		snprintf(problem, problem_size, "%s", what);
	else
		check_dates(credentials.certificate, problem, problem_size);
	ERR_clear_error();
	free_credentials(&credentials);
	return what == NULL;
}

bool
tls_wants_write(const void *ssl)
{
	return ssl != NULL && SSL_want_write((const SSL *) ssl);
}
