/** The hotel as a whole: builds its parts, joins them, and takes them down in order. */
import { join } from 'node:path'
import { open } from 'spindle-mq'
import { taskHandler, toNodeListener } from 'spindle-mq/http'
import { Bookings } from './bookings.ts'
import { Child } from './child.ts'
import { lockFolder } from './folder-lock.ts'
import { LiveFeed } from './live.ts'
import { type Mail, startMailServer } from './mail-server.ts'
import { paceOf } from './pace.ts'
import { seededRandom, startPartners } from './partners.ts'
import { FlashSale } from './sale.ts'
import type { Surroundings } from './surroundings.ts'
import { bookingTasks } from './tasks.ts'
import { Tracker } from './tracker.ts'
import { closeServer, serveHotel, takePort, urlOf } from './web.ts'

export interface HotelOptions {
  /** Bookings, vouchers and the queue live below it; it is created when missing. */
  readonly dataFolder: string
  /** 0: any free one. */
  readonly port: number
  /** 1 is the story's own pace; 0.1 is ten times as fast. */
  readonly paceScale: number
  /** How often the flaky service fails, 0 to 1. */
  readonly failureRate: number
  /** Repeats a run's failures. */
  readonly seed: number
}

export interface Hotel {
  readonly url: string
  /** Idempotent. */
  stop(): Promise<void>
}

export async function startHotel(options: HotelOptions): Promise<Hotel> {
  // Taken down in the opposite order, also when a later part does not come up.
  const undo: (() => Promise<void> | void)[] = []
  const stop = async (): Promise<void> => {
    for (let step = undo.pop(); step !== undefined; step = undo.pop()) await step()
  }
  try {
    return { url: await build(options, undo), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function build(options: HotelOptions, undo: (() => Promise<void> | void)[]): Promise<string> {
  const { dataFolder } = options
  const server = await takePort(options.port)
  undo.push(() => closeServer(server))
  undo.push(await lockFolder(dataFolder))
  const live = new LiveFeed()
  undo.push(() => live.close())

  const mailServer = await startMailServer((mail) => live.publish({ event: 'mail', data: mailView(mail) }))
  undo.push(() => mailServer.stop())
  const partners = await startPartners({
    failureRate: options.failureRate,
    random: seededRandom(options.seed),
    onCall: (call) => live.publish({ event: 'call', data: call }),
  })
  undo.push(() => partners.stop())

  const surroundings: Surroundings = {
    spindleUrl: `file:${join(dataFolder, 'spindle')}`,
    vouchersFolder: join(dataFolder, 'vouchers'),
    smtpPort: mailServer.port,
    services: [...partners.services],
    pace: paceOf(options.paceScale),
  }
  const bookings = await Bookings.open(join(dataFolder, 'bookings'))
  undo.push(() => bookings.close())
  const spindle = await open(surroundings.spindleUrl)
  undo.push(() => spindle.close())
  const tracker = new Tracker(spindle, bookings, (view) =>
    live.publish({ event: 'booking', data: view, bookingId: view.booking.id }),
  )
  undo.push(() => tracker.stop())
  await tracker.start()

  const sale = new FlashSale({
    spindle,
    bookings,
    paceScale: options.paceScale,
    changed: (view) => live.publish({ event: 'sale', data: view }),
  })
  undo.push(() => sale.stop())
  await sale.start()

  const processes = () => ({ web: process.pid, worker: worker.view, promises: promises.view })
  const tellProcesses = (): void => live.publish({ event: 'processes', data: processes() })
  const worker: Child = new Child('./worker.ts', surroundings, tellProcesses)
  const promises: Child = new Child('./fire-and-forget.ts', surroundings, tellProcesses)

  // This process only enqueues; the worker is the one that runs tasks, so that nothing is reported from here.
  const tasks = bookingTasks(surroundings, async () => {})
  for (const booking of await bookings.withoutTasks()) {
    await tracker.follow(booking.id, 'voucher', (await spindle.enqueue(tasks.voucher, booking)).id)
  }

  serveHotel(server, {
    bookings,
    tracker,
    live,
    mailServer,
    partners,
    worker,
    promises,
    surroundings,
    sale,
    spindle,
    tasks,
    answerTask: toNodeListener(taskHandler({ spindle, tasks: Object.values(tasks) })),
    snapshot: () => ({
      bookings: tracker.views(),
      mails: mailServer.mails().map(mailView),
      calls: partners.calls(),
      processes: processes(),
      pace: surroundings.pace,
      sale: { ...sale.view(), samples: sale.samples() },
    }),
  })
  undo.push(async () => {
    await Promise.all([worker.stop(), promises.stop()])
  })
  undo.push(() => closeServer(server)) // first of all when it ends in order: no request comes in while the rest goes down
  worker.start()
  promises.start()
  return urlOf(server)
}

/** A mail without the bytes of its attachments: those have addresses of their own. */
const mailView = ({ attachments, ...mail }: Mail) => ({
  ...mail,
  attachments: attachments.map(({ name, type, content }, index) => ({
    name,
    type,
    bytes: content.byteLength,
    href: `/mails/${mail.id}/attachments/${index}`,
  })),
})
