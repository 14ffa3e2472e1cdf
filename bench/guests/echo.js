// Parses the JSON it is sent and answers it, so that a body crosses both ways.
export default {
  async fetch(request) {
    return Response.json(await request.json())
  },
}
