#include "io/store_query.h"

#include "base/buf.h"
#include "io/store_schema.h"

#include <stdlib.h>
#include <string.h>

/* Rows are read a page at a time and handed out after the statement has ended: a reader that keeps
 * a transaction open keeps the bridge from shortening its WAL file. */
enum { PAGE_ROWS = 128 };
enum { PAGE_BYTES_MAX = 64 << 20 };
enum { TEXTS = 8 };

struct page_row {
    struct store_row row;
    size_t text_at[TEXTS]; /* offsets in the page's texts */
};

struct page {
    struct page_row rows[PAGE_ROWS];
    size_t count;
    struct buf texts;
};

#define COLUMNS                                                                                    \
    "SELECT room, peer, kind, bridge, transport, sid, meta, reason, id, joined_ms, updated_ms,"    \
    " left_ms FROM membership WHERE "

/* Where the next page begins: after the last row of the one before. */
struct place {
    bool begun;
    int64_t joined_ms;
    int64_t id;
    struct buf room;
    struct buf peer;
};

static void build_sql(struct buf *sql, const struct store_filter *f, bool begun)
{
    buf_str(sql, COLUMNS);
    buf_str(sql, f->present_only ? "left_ms IS NULL" : "(left_ms IS NULL OR left_ms >= ?3)");
    if (f->room)
        buf_str(sql, " AND room = ?1");
    if (f->peer)
        buf_str(sql, " AND peer = ?2");
    if (begun)
        buf_str(sql, f->present_only ? " AND (room, peer) > (?4, ?5)"
                                     : " AND (joined_ms, id) < (?4, ?5)");
    buf_str(sql, f->present_only ? " ORDER BY room, peer" : " ORDER BY joined_ms DESC, id DESC");
    buf_str(sql, " LIMIT ?6");
}

static void bind(sqlite3_stmt *q, const struct store_filter *f, struct place *after, size_t limit)
{
    /* Binding what the text does not use gives SQLITE_RANGE at most, which is what is meant. */
    if (f->room)
        sqlite3_bind_text(q, 1, f->room, -1, SQLITE_STATIC);
    if (f->peer)
        sqlite3_bind_text(q, 2, f->peer, -1, SQLITE_STATIC);
    if (!f->present_only)
        sqlite3_bind_int64(q, 3, f->since_ms);
    if (after->begun && f->present_only) {
        sqlite3_bind_text(q, 4, buf_cstr(&after->room), -1, SQLITE_STATIC);
        sqlite3_bind_text(q, 5, buf_cstr(&after->peer), -1, SQLITE_STATIC);
    } else if (after->begun) {
        sqlite3_bind_int64(q, 4, after->joined_ms);
        sqlite3_bind_int64(q, 5, after->id);
    }
    sqlite3_bind_int64(q, 6, (sqlite3_int64)limit);
}

static void copy_row(struct page *page, sqlite3_stmt *q)
{
    struct page_row *r = &page->rows[page->count++];
    for (int i = 0; i < TEXTS; i++) {
        r->text_at[i] = page->texts.len;
        const unsigned char *text = sqlite3_column_text(q, i); /* NULL: reason while present */
        if (text)
            buf_add(&page->texts, text, (size_t)sqlite3_column_bytes(q, i));
        buf_char(&page->texts, '\0');
    }
    r->row.id = sqlite3_column_int64(q, 8);
    r->row.joined_ms = sqlite3_column_int64(q, 9);
    r->row.updated_ms = sqlite3_column_int64(q, 10);
    r->row.left_ms = sqlite3_column_int64(q, 11); /* 0 for NULL */
}

/* The texts have stopped moving: turn offsets into pointers. */
static void point_at_texts(struct page *page)
{
    for (size_t i = 0; i < page->count; i++) {
        struct page_row *r = &page->rows[i];
        const char **fields[TEXTS] = {&r->row.room,   &r->row.peer,      &r->row.kind,
                                      &r->row.bridge, &r->row.transport, &r->row.sid,
                                      &r->row.meta,   &r->row.reason};
        for (size_t k = 0; k < TEXTS; k++)
            *fields[k] = page->texts.data + r->text_at[k];
    }
}

static int read_page(sqlite3 *db, const struct store_filter *f, struct place *after, size_t limit,
                     struct page *page)
{
    char text[512];
    struct buf sql;
    sqlite3_stmt *q = NULL;
    buf_init_fixed(&sql, text, sizeof text);
    build_sql(&sql, f, after->begun);
    page->count = 0;
    buf_clear(&page->texts);
    int rc = sqlite3_prepare_v2(db, buf_cstr(&sql), -1, &q, NULL);
    if (rc == SQLITE_OK)
        bind(q, f, after, limit);
    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(q);
        if (rc == SQLITE_ROW)
            copy_row(page, q);
        if (!buf_ok(&page->texts))
            rc = SQLITE_NOMEM;
    }
    sqlite3_finalize(q);
    point_at_texts(page);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static void move_on(struct place *after, const struct page *page)
{
    const struct store_row *last = &page->rows[page->count - 1].row;
    after->begun = true;
    after->joined_ms = last->joined_ms;
    after->id = last->id;
    buf_clear(&after->room);
    buf_clear(&after->peer);
    buf_str(&after->room, last->room);
    buf_str(&after->peer, last->peer);
}

enum status store_query_presence(const char *path, const struct store_filter *filter,
                                 bool (*row)(void *arg, const struct store_row *row), void *arg,
                                 struct problem *why)
{
    sqlite3 *db = NULL;
    struct place after = {0};
    size_t left = filter->limit ? filter->limit : SIZE_MAX;
    struct page *page = calloc(1, sizeof *page);
    if (!page)
        return problem_set(why, STATUS_NO_MEMORY, 0, "store-access", "out of memory");
    buf_init(&page->texts, PAGE_BYTES_MAX);
    buf_init(&after.room, PAGE_BYTES_MAX);
    buf_init(&after.peer, PAGE_BYTES_MAX);
    enum status status = store_schema_open_reader(path, &db, why);
    bool more = status == STATUS_OK;
    while (more && left > 0) {
        size_t want = left < PAGE_ROWS ? left : PAGE_ROWS;
        int rc = read_page(db, filter, &after, want, page);
        if (rc != SQLITE_OK) {
            status = store_schema_problem(db, rc, path, why);
            break;
        }
        for (size_t i = 0; more && i < page->count; i++)
            more = row(arg, &page->rows[i].row);
        if (page->count < want)
            break;
        left -= page->count;
        move_on(&after, page);
    }
    buf_release(&after.peer);
    buf_release(&after.room);
    buf_release(&page->texts);
    free(page);
    sqlite3_close(db);
    return status;
}
