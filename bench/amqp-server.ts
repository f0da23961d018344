/** One broker with AMQP on a data folder, for bench/amqp.ts: prints its port, then one line of figures for each line of input, until the input ends. */
import process from 'node:process'
import { createInterface } from 'node:readline'
import { StoredUsers } from '../src/broker/users.ts'
import { listenAmqp } from '../src/frontends/amqp/listen.ts'
import { defaultLimits } from '../src/model/limits.ts'
import { systemClock as clock } from '../src/runtime/clock.ts'
import { silentLog as log } from '../src/runtime/log.ts'
import { systemRandom as random } from '../src/runtime/random.ts'
import { openFolder } from '../src/server/folder.ts'

const folder = process.argv[2]
if (folder === undefined) throw new Error('usage: amqp-server FOLDER')
const broker = await openFolder(folder, { clock, random, limits: defaultLimits, log })
const users = await StoredUsers.open({ port: broker, clock, random, log })
const listener = await listenAmqp({
  port: broker,
  users,
  clock,
  random,
  log,
  limits: defaultLimits,
  host: '127.0.0.1',
  listenPort: 0,
})
console.log(`listening ${listener.address.port}`)
let before = process.cpuUsage()
for await (const _ of createInterface({ input: process.stdin })) {
  const { user, system } = process.cpuUsage(before)
  before = process.cpuUsage()
  console.log(JSON.stringify({ userMs: user / 1_000, systemMs: system / 1_000, rssBytes: process.memoryUsage().rss }))
}
await listener.close()
users.close()
await broker.close()
