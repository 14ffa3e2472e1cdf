// The smallest useful service: it parses its URL and answers JSON.
export default {
  fetch(request) {
    return Response.json({ hello: new URL(request.url).pathname })
  },
}
