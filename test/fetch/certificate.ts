/**
 * A certificate for `secure.test`, `other.test` and 127.0.0.1, signed by itself and trusted by nobody but these tests:
 * TLS behaviour is tested against a real server.
 */
export const CERTIFICATE: string = `-----BEGIN CERTIFICATE-----
MIIBqDCCAU+gAwIBAgIUcJKFSIa5abvcNsF0nQGVqxc2rs4wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJdmVsYSB0ZXN0MCAXDTI2MTEyMjExMzUwMFoYDzIxMjYxMDI5
MTEzNTAwWjAUMRIwEAYDVQQDDAl2ZWxhIHRlc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQFQuqE5MnDD6hr7W6uldb3k7RAwhpef4g9jSjuAb+3H9CF8kX6XQbV
D2wOex5JQ80Avz5B6GvC42NldjI3DByXo30wezAdBgNVHQ4EFgQU2F8m3+399kDy
aO/ljuJw1rkvP9AwHwYDVR0jBBgwFoAU2F8m3+399kDyaO/ljuJw1rkvP9AwDwYD
VR0TAQH/BAUwAwEB/zAoBgNVHREEITAfggtzZWN1cmUudGVzdIIKb3RoZXIudGVz
dIcEfwAAATAKBggqhkjOPQQDAgNHADBEAiAk3/MM2+cghbNj6IiZOfEUwPOcPK/o
/0wFpgUigacMawIgfDU3gss9OHk9f+fRtAmnCLJg84tZtSGRY+p5fFMtqp8=
-----END CERTIFICATE-----`

export const PRIVATE_KEY: string = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg0vu7nMvcvL+EJw/m
DXgc9tNlG/rY8sC3kpYCEGF7h9ihRANCAAQFQuqE5MnDD6hr7W6uldb3k7RAwhpe
f4g9jSjuAb+3H9CF8kX6XQbVD2wOex5JQ80Avz5B6GvC42NldjI3DByX
-----END PRIVATE KEY-----`
