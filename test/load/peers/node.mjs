// What a team would write instead: a websocket server on Node that stores page
// views in PostgreSQL, one row a view, in batches.   node node.mjs PORT, with
// PGHOST and the like for the database.  It speaks the tracker's protocol, so that
// the same visitors can be sent to it, and does what is needed for that, no more:
// it trusts what it is told, and what is open when it dies is lost.
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import pg from 'pg'
import { WebSocketServer } from 'ws'

const BATCH = 1000
const FLUSH_MS = 100
const INSERT = `INSERT INTO views (view_id, session_id, path, title, started_at, ended_at, engagement_ms)
  SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::int[])
  ON CONFLICT (view_id) DO NOTHING`
const database = new pg.Client()
await database.connect()
await database.query(`CREATE TABLE IF NOT EXISTS views (view_id uuid PRIMARY KEY, session_id uuid, path text,
  title text, started_at timestamptz, ended_at timestamptz, engagement_ms int)`)

let ended = []
let flushing = false

// Stores what has ended, batch after batch, then tells the browsers.
async function flush() {
  if (flushing) return
  flushing = true
  while (ended.length > 0) {
    const batch = ended.splice(0, BATCH)
    const columns = [[], [], [], [], [], [], []]
    for (const { row } of batch) row.forEach((value, i) => columns[i].push(value))
    try {
      await database.query({ name: 'insert', text: INSERT, values: columns })
      for (const { socket, view, n } of batch) answer(socket, { type: 'stored', view, n })
    } catch (error) {
      console.error(error.message)
      ended = batch.concat(ended)
      break
    }
  }
  flushing = false
}
setInterval(flush, FLUSH_MS)

function answer(socket, message) {
  if (socket.readyState === 1) socket.send(JSON.stringify(message))
}

function end(socket, open, n, visible) {
  const row = [open.view, socket.session, open.path, open.title, open.started, new Date(), visible]
  ended.push({ socket, view: open.view, n, row })
  if (ended.length >= BATCH) flush()
}

const http = createServer((request, response) => response.writeHead(404).end())
const server = new WebSocketServer({ server: http, maxPayload: 4096, perMessageDeflate: false, handleProtocols: () => 'pageviews.v1' })
server.on('headers', (headers, request) => {
  request.session = /session=([0-9a-f-]{36})/.exec(request.headers.cookie)?.[1] ?? randomUUID()
  headers.push(`Set-Cookie: session=${request.session}; Max-Age=5184000; HttpOnly; SameSite=Lax`)
})
server.on('connection', (socket, request) => {
  let open = null
  socket.session = request.session
  answer(socket, { type: 'hello', now: Date.now(), heartbeat: 15000 })
  socket.on('message', data => {
    const message = JSON.parse(data)
    const fresh = message.url && { view: message.view, path: new URL(message.url).pathname, title: message.title, started: new Date() }
    if (message.type === 'view') open = fresh
    if (message.type === 'end') (end(socket, fresh ?? open, message.n, message.visible), (open = null))
    answer(socket, { type: 'ack', view: message.view, n: message.n })
  })
  socket.on('close', () => open && end(socket, open, 0, Date.now() - open.started))
})
http.listen(Number(process.argv[2]), '127.0.0.1')
