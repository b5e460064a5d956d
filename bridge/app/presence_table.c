#include "app/presence_table.h"

#include "base/text.h"
#include "config/value.h"
#include "config/when.h"
#include "proto/json.h"

#include <string.h>

enum { META_MEMBERS_MAX = 256, LINE_MAX_BYTES = 128 << 10 };

static const char *const present_heads[] = {"ROOM",   "PEER",  "KIND", "OVER",
                                            "BRIDGE", "SINCE", "FOR",  NULL};
static const char *const history_heads[] = {"ROOM", "PEER", "KIND",   "OVER", "JOINED",
                                            "LEFT", "FOR",  "REASON", NULL};

void presence_table_init(struct presence_table *t, FILE *out, int64_t now_ms, bool history,
                         bool json)
{
    *t = (struct presence_table){.out = out, .now_ms = now_ms, .history = history, .json = json};
    buf_init(&t->cells, (size_t)TABLE_BATCH * TABLE_COLUMNS * TABLE_CELL_MAX);
}

/* Columns of a text as a terminal shows it: near enough for plain UTF-8. */
static size_t columns_of(const char *cell)
{
    size_t n = 0;
    for (; *cell; cell++)
        n += ((unsigned char)*cell & 0xc0) != 0x80;
    return n;
}

/* Plain text as it is, the bytes of anything else as \xNN; "-" for nothing. */
static void put_cell(struct presence_table *t, size_t column, const char *str)
{
    char cell[TABLE_CELL_MAX];
    size_t at = 0;
    const char *why;
    bool plain = value_is_plain(str, &why);
    for (; *str && at < sizeof cell - 5; str++) {
        if (plain || text_is_printable(*str))
            cell[at++] = *str;
        else
            at += (size_t)snprintf(cell + at, 5, "\\x%02x", (unsigned)(unsigned char)*str);
    }
    if (at == 0)
        cell[at++] = '-';
    cell[at] = '\0';
    buf_add(&t->cells, cell, at + 1);
    size_t width = columns_of(cell);
    if (width > t->width[column])
        t->width[column] = width;
}

static void put_line(struct presence_table *t, const char *const cells[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fputs(cells[i], t->out);
        for (size_t w = columns_of(cells[i]); i + 1 < count && w < t->width[i] + 2; w++)
            fputc(' ', t->out);
    }
    if (fputc('\n', t->out) == EOF)
        t->failed = true;
}

static void flush_rows(struct presence_table *t)
{
    const char *const *heads = t->history ? history_heads : present_heads;
    const char *cells[TABLE_COLUMNS];
    size_t count = 0;
    for (; heads[count]; count++)
        if (strlen(heads[count]) > t->width[count])
            t->width[count] = strlen(heads[count]);
    if (!t->header_done)
        put_line(t, heads, count);
    t->header_done = true;
    if (!buf_ok(&t->cells))
        t->failed = true;
    const char *cell = t->cells.data;
    for (; t->held > 0 && !t->failed; t->held--) {
        for (size_t i = 0; i < count; i++) {
            cells[i] = cell;
            cell += strlen(cell) + 1;
        }
        put_line(t, cells, count);
    }
    buf_clear(&t->cells);
}

static void add_text(struct presence_table *t, const struct store_row *r)
{
    char joined[WHEN_TEXT_MAX], left[WHEN_TEXT_MAX] = "present", took[WHEN_TEXT_MAX];
    size_t i = 0;
    when_format(r->joined_ms, joined);
    if (r->left_ms > 0)
        when_format(r->left_ms, left);
    when_format_duration((r->left_ms > 0 ? r->left_ms : t->now_ms) - r->joined_ms, took);
    put_cell(t, i++, r->room);
    put_cell(t, i++, r->peer);
    put_cell(t, i++, r->kind);
    put_cell(t, i++, r->transport);
    if (!t->history)
        put_cell(t, i++, r->bridge);
    put_cell(t, i++, joined);
    if (t->history)
        put_cell(t, i++, left);
    put_cell(t, i++, took);
    if (t->history)
        put_cell(t, i++, r->reason);
    if (++t->held == TABLE_BATCH)
        flush_rows(t);
}

/* A text that may hold anything: what is not plain is escaped byte by byte before it goes into
 * JSON, which takes valid UTF-8 only. */
static void put_member(struct buf *b, const char *key, const char *str)
{
    const char *why;
    if (!*str)
        return;
    buf_str(b, ",\"");
    buf_str(b, key);
    buf_str(b, "\":");
    if (value_is_plain(str, &why)) {
        json_put_str(b, str);
        return;
    }
    buf_char(b, '"');
    for (; *str; str++) {
        char escape[8];
        if (text_is_printable(*str) && *str != '"' && *str != '\\')
            buf_char(b, *str);
        else {
            snprintf(escape, sizeof escape, "\\u%04x", (unsigned)(unsigned char)*str);
            buf_str(b, escape);
        }
    }
    buf_char(b, '"');
}

static void put_time(struct buf *b, const char *key, int64_t ms)
{
    buf_str(b, ",\"");
    buf_str(b, key);
    buf_str(b, "\":");
    buf_int(b, ms);
}

static void add_json(struct presence_table *t, const struct store_row *r)
{
    struct json_member members[META_MEMBERS_MAX];
    size_t count, meta = strlen(r->meta);
    struct buf b;
    buf_init(&b, LINE_MAX_BYTES);
    buf_str(&b, "{\"id\":");
    buf_int(&b, r->id);
    put_member(&b, "room", r->room);
    put_member(&b, "peer", r->peer);
    put_member(&b, "kind", r->kind);
    put_member(&b, "transport", r->transport);
    put_member(&b, "bridge", r->bridge);
    put_member(&b, "sid", r->sid);
    put_time(&b, "joined", r->joined_ms);
    put_time(&b, "updated", r->updated_ms);
    if (r->left_ms > 0)
        put_time(&b, "left", r->left_ms);
    put_member(&b, "reason", r->reason);
    if (json_object(r->meta, meta, members, META_MEMBERS_MAX, &count, NULL) == STATUS_OK) {
        buf_str(&b, ",\"meta\":");
        buf_add(&b, r->meta, meta);
    } else {
        put_member(&b, "meta", r->meta);
    }
    buf_str(&b, "}\n");
    if (!buf_ok(&b) || fwrite(b.data, 1, b.len, t->out) != b.len)
        t->failed = true;
    buf_release(&b);
}

void presence_table_add(struct presence_table *t, const struct store_row *row)
{
    t->rows++;
    if (t->json)
        add_json(t, row);
    else
        add_text(t, row);
}

void presence_table_finish(struct presence_table *t)
{
    if (!t->json && t->rows > 0)
        flush_rows(t);
    if (fflush(t->out) != 0)
        t->failed = true;
    buf_release(&t->cells);
}
