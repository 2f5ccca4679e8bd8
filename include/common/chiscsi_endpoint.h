/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The TCP addresses of a connection.
 */
#ifndef CHISCSI_ENDPOINT_H
#define CHISCSI_ENDPOINT_H

#include "chiscsi_spellings.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of an address: room for IPv6. */
#define ISCSI_IPADDR_LEN 16

/**
 * struct tcp_endpoint - One end of a TCP connection.
 * @ip: address in network order; an IPv4 address a.b.c.d is stored in its
 *	IPv4-mapped form ::ffff:a.b.c.d, that is in the last four bytes
 *	(RFC 4291 2.5.5.2)
 * @port: port number in host order
 *
 * Source: Guide 5.1.2
 */
struct tcp_endpoint {
	unsigned char ip[ISCSI_IPADDR_LEN];
	unsigned int port;
};

/**
 * struct chiscsi_tcp_endpoints - Both ends of a TCP connection.
 * @f_ipv6: 1 for an IPv6 connection, 0 for IPv4
 * @f_filler: 0
 * @iaddr: the initiator's end
 * @taddr: the target's end; fp_select_redirection_portal() writes it
 * @port_id: port of the adapter the connection runs over; 0 and without
 *	meaning for a connection on host TCP
 *
 * Source: Guide 5.1.2
 */
struct chiscsi_tcp_endpoints {
	unsigned int f_ipv6 : 1;
	unsigned int f_filler : 31;
	struct tcp_endpoint iaddr;
	struct tcp_endpoint taddr;
	unsigned int port_id;
};
/* chiscsi_tcp_endpoint, singular, is the same type: chiscsi_spellings.h. */
typedef struct chiscsi_tcp_endpoints chiscsi_tcp_endpoints;

#ifdef __cplusplus
}
#endif

#endif /* CHISCSI_ENDPOINT_H */
