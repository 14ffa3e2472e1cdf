import {
  addMonths,
  compareAsc,
  differenceInBusinessDays,
  eachWeekOfInterval,
  endOfMonth,
  format,
  formatDistance,
  formatDuration,
  formatISO,
  formatRelative,
  getISOWeek,
  intervalToDuration,
  intlFormat,
  isValid,
  parse,
  parseISO,
  subDays,
} from 'date-fns'
import { de } from 'date-fns/locale/de'
import { es } from 'date-fns/locale/es'

export default {
  fetch(request: Request): Response {
    const day = new Date(2014, 1, 11)
    if (request.url.endsWith('/intl')) {
      return Response.json(
        intlFormat(day, { year: 'numeric', month: 'long', day: 'numeric' }, { locale: 'en-GB' }),
      )
    }
    const dates = [new Date(1995, 6, 2), new Date(1987, 1, 11), new Date(1989, 6, 10)]
    return Response.json({
      format: format(day, "MM/dd/yyyy 'at' HH:mm:ss.SSS xxx"),
      day: format(day, 'EEEE, do MMMM yyyy'),
      german: format(day, 'EEEE, d. MMMM yyyy', { locale: de }),
      spanish: format(day, 'PPPP', { locale: es }),
      distance: formatDistance(subDays(day, 3), day, { addSuffix: true }),
      relative: formatRelative(subDays(day, 3), day),
      sorted: dates.sort(compareAsc).map((date) => formatISO(date, { representation: 'date' })),
      monthEnd: formatISO(endOfMonth(addMonths(new Date(2024, 0, 31), 1))),
      businessDays: differenceInBusinessDays(new Date(2014, 6, 20), new Date(2014, 0, 10)),
      week: getISOWeek(new Date(2005, 0, 2)),
      weeks: eachWeekOfInterval({ start: new Date(2014, 9, 6), end: new Date(2014, 10, 23) }).length,
      duration: formatDuration(
        intervalToDuration({ start: new Date(1929, 0, 15, 12), end: new Date(1968, 3, 4, 19, 5) }),
      ),
      parsed: parse('02/11/2014 13:05', 'MM/dd/yyyy HH:mm', new Date(0)).toISOString(),
      iso: parseISO('2014-02-11T11:30:30+02:00').toISOString(),
      invalid: isValid(parse('31/02/2014', 'dd/MM/yyyy', new Date(0))),
    })
  },
}
