/** The second process: opens the same data folder as the web process and works through its tasks. */
import { open } from 'spindle-mq'
import { announceReady, whenAskedToStop } from './child.ts'
import { surroundingsFromEnvironment } from './surroundings.ts'
import { bookingTasks, REPORTS, type Report } from './tasks.ts'

const surroundings = surroundingsFromEnvironment()
const spindle = await open(surroundings.spindleUrl)
const reports = await spindle.queue<Report>(REPORTS)
const { voucher, mail, services } = bookingTasks(surroundings, (report) => reports.send(report))
const worker = await spindle.work([voucher, mail, services], { concurrency: 8 })
announceReady({})

whenAskedToStop(async () => {
  // Gives running tasks a moment, then hands them back unspent: the next start goes on with them.
  await worker.stop({ drainMs: 3_000 })
  await spindle.close()
})
