"""The design that this service replaces, written as in the documentation of FastAPI and SQLModel.

It has async sessions by dependency, asyncpg, separate models for tables and JSON, response models, a
connection pool, OAuth2PasswordBearer and PyJWT. One SELECT reads the user by the session in the token,
so that it can revoke sessions too. It has only the operations on tasks, for local accounts, on the
tables of this project's migrations. No optimisation is missing, and it does not have what this project
adds: a request log, problem documents, CORS and request ids.
"""

import os
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal
from unicodedata import normalize
from uuid import UUID

import jwt
from fastapi import Depends, FastAPI, HTTPException, Query, status
from fastapi.security import OAuth2PasswordBearer
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, StringConstraints
from sqlalchemy import Column, DateTime, ForeignKey, SmallInteger, TypeDecorator, Uuid, func, literal_column
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

from bench.peers.planning import NUMBERS, PRIORITIES, fold, split_tags, to_columns, utc_text

SECRET_KEY = os.environ["JWT_SIGNING_KEY"]
ALGORITHM = "HS256"
NAME = "task-api"
POOL_SIZE = int(os.environ["POOL_SIZE"])

Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Description = Annotated[str, StringConstraints(max_length=1000)]
Priority = Literal["high", "medium", "low"] | None
FIRST_DAY, LAST_DAY = date(1, 1, 3), date(9999, 12, 29)


def check_day(day: date) -> date:
    """Return the day. Raises ValueError if its end may be no `datetime` in UTC."""
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(f"Send a date from {FIRST_DAY} to {LAST_DAY}.")
    return day


def to_utc_text(moment: datetime) -> str:
    """Return a time as it is stored. Raises ValueError as `check_day`."""
    check_day(moment.date())
    return utc_text(moment)


def unique(tags: list[str]) -> list[str]:
    """Return the tags without those that differ from an earlier one in case alone."""
    first: dict[str, str] = {}
    for tag in tags:
        first.setdefault(fold(tag), tag)
    return list(first.values())


# Stored as the text that is shown. A day is no midnight.
Day = Annotated[date, AfterValidator(check_day), AfterValidator(date.isoformat)]
Time = Annotated[AwareDatetime, AfterValidator(to_utc_text)]
DueDate = Time | Day | None
Nfc = AfterValidator(lambda tag: normalize("NFC", tag))
Tag = Annotated[
    str, Nfc, StringConstraints(strip_whitespace=True, max_length=50, pattern=r"^[^,\x00-\x1f\x7f-\x9f]+$")
]
Tags = Annotated[list[Tag], Field(max_length=20), AfterValidator(unique)]


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def moment(**options: Any) -> Any:
    """Return a field for a `timestamptz` column."""
    return Field(sa_type=DateTime(timezone=True), **options)


class DueMoment(TypeDecorator[datetime]):
    """When a task is due. None stands for the largest moment, which asyncpg would store as `infinity`."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_expression(self, bindparam: Any) -> Any:
        """Return the SQL of a value."""
        return func.coalesce(bindparam, literal_column("timestamptz '9999-12-31 23:59:59.999999+00'"))


def database_url() -> URL:
    """Return DATABASE_URL for asyncpg. The folder of a Unix socket goes into the query."""
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415  (it parses the URL)

    parts = conninfo_to_dict(os.environ["DATABASE_URL"])
    host = str(parts["host"])
    socket = {"host": host} if host.startswith("/") else {}
    return URL.create(
        "postgresql+asyncpg",
        parts.get("user"),
        parts.get("password"),
        None if socket else host,
        int(parts["port"]) if "port" in parts else None,
        parts["dbname"],
        socket,
    )


class User(SQLModel, table=True):
    """An account."""

    __tablename__ = "users_user"

    id: UUID = Field(primary_key=True)
    email: str | None
    name: str
    time_zone: str
    is_active: bool


class UserSession(SQLModel, table=True):
    """A sign-in."""

    __tablename__ = "users_session"

    id: UUID = Field(primary_key=True)
    user_id: UUID = Field(foreign_key="users_user.id")
    expires_at: datetime = moment()
    revoked_at: datetime | None = moment()


class TaskBase(SQLModel):
    """The fields that a client may set, and that are stored as they are shown."""

    title: str
    description: str = ""
    due_date: str | None = None
    completed: bool = False


class Stamps(SQLModel):
    """The fields that the service sets."""

    completed_at: datetime | None = moment(default=None)
    created_at: datetime = moment(default_factory=now)
    updated_at: datetime = moment(default_factory=now)


class Version(SQLModel):
    """The version, which clients can read."""

    version: int = 1


class Safety(Version):
    """The columns that clients cannot read."""

    deleted_at: datetime | None = moment(default=None)
    idempotency_key: str | None = None
    creation_digest: str = ""


class Task(Safety, Stamps, TaskBase, table=True):
    """A task in the database."""

    __tablename__ = "tasks_task"

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    user_id: UUID = Field(sa_column=Column("owner_id", Uuid, ForeignKey("users_user.id"), nullable=False))
    due_at: datetime | None = Field(default=None, sa_type=DueMoment)
    priority: int = Field(default=NUMBERS[None], sa_type=SmallInteger)
    tags: str = ""
    tags_folded: str = ""


class TaskPublic(Version, Stamps, TaskBase):
    """A task in a response."""

    id: UUID
    user_id: UUID
    priority: Annotated[Priority, BeforeValidator(PRIORITIES.get)]
    tags: Annotated[list[str], BeforeValidator(split_tags)]


class TaskCreate(SQLModel):
    """The body that creates a task."""

    title: Title
    description: Description = ""
    due_date: DueDate = None
    priority: Priority = None
    tags: Tags = []
    completed: bool = False


class TaskUpdate(SQLModel):
    """The body that changes a task."""

    title: Title | None = None
    description: Description | None = None
    due_date: DueDate = None
    priority: Priority = None
    tags: Tags = []
    completed: bool | None = None


class Completion(SQLModel):
    """The body of `complete`. Without `completed` it toggles."""

    completed: bool | None = None


engine = create_async_engine(database_url(), pool_size=POOL_SIZE, max_overflow=0)
async_session = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)
oauth2_scheme = OAuth2PasswordBearer(tokenUrl="auth/login")
app = FastAPI()


async def get_session() -> AsyncIterator[AsyncSession]:
    """Yield the session of a request."""
    async with async_session() as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(get_session)]


async def get_current_user(token: Annotated[str, Depends(oauth2_scheme)], session: SessionDep) -> User:
    """Return the user of the token. Responds 401 if the session has ended."""
    unauthorized = HTTPException(
        status.HTTP_401_UNAUTHORIZED, "Could not validate credentials", {"WWW-Authenticate": "Bearer"}
    )
    try:
        claims = jwt.decode(token, SECRET_KEY, algorithms=[ALGORITHM], audience=NAME, issuer=NAME)
        session_id = UUID(claims["sid"])
    except (jwt.InvalidTokenError, KeyError, ValueError):
        raise unauthorized from None
    statement = (
        select(User)
        .join(UserSession, col(UserSession.user_id) == User.id)
        .where(
            UserSession.id == session_id,
            col(UserSession.revoked_at).is_(None),
            UserSession.expires_at > now(),
            col(User.is_active),
        )
    )
    user = (await session.exec(statement)).first()
    if user is None or str(user.id) != claims["sub"]:
        raise unauthorized
    return user


CurrentUser = Annotated[User, Depends(get_current_user)]


async def get_task(task_id: UUID, session: SessionDep, user: CurrentUser) -> Task:
    """Return the task in the URL. Responds 404 if the user has no such task."""
    task = await session.get(Task, task_id)
    if task is None or task.user_id != user.id or task.deleted_at:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "Task not found")
    return task


TaskDep = Annotated[Task, Depends(get_task)]


async def store(session: AsyncSession, task: Task) -> Task:
    """Save a task and reload it."""
    session.add(task)
    await session.commit()
    await session.refresh(task)
    return task


async def revise(session: AsyncSession, task: Task, changes: dict[str, Any]) -> Task:
    """Apply the changes to a task and save it."""
    task.sqlmodel_update(changes)
    if "completed" in changes:
        task.completed_at = now() if task.completed else None
    task.updated_at = now()
    task.version = Task.version + 1
    return await store(session, task)


@app.get("/api/v1/tasks")
async def list_tasks(
    session: SessionDep, user: CurrentUser, limit: Annotated[int, Query(ge=1, le=1000)] = 1000
) -> list[TaskPublic]:
    """Return the user's tasks, newest first."""
    statement = select(Task).where(Task.user_id == user.id, col(Task.deleted_at).is_(None))
    statement = statement.order_by(col(Task.created_at).desc(), col(Task.id).desc()).limit(limit)
    return (await session.exec(statement)).all()


@app.post("/api/v1/tasks", status_code=status.HTTP_201_CREATED)
async def create_task(task_in: TaskCreate, session: SessionDep, user: CurrentUser) -> TaskPublic:
    """Create a task."""
    moment_of_creation = now()
    task = Task.model_validate(
        task_in,
        update={
            **to_columns(task_in.model_dump(), user.time_zone, None),
            "user_id": user.id,
            "created_at": moment_of_creation,
            "updated_at": moment_of_creation,
            "completed_at": moment_of_creation if task_in.completed else None,
        },
    )
    return await store(session, task)


@app.get("/api/v1/tasks/{task_id}")
async def read_task(task: TaskDep) -> TaskPublic:
    """Return a task."""
    return task


@app.patch("/api/v1/tasks/{task_id}")
async def update_task(
    task_in: TaskUpdate, task: TaskDep, session: SessionDep, user: CurrentUser
) -> TaskPublic:
    """Change the fields that the body has."""
    changes = to_columns(task_in.model_dump(exclude_unset=True), user.time_zone, None)
    return await revise(session, task, changes)


@app.patch("/api/v1/tasks/{task_id}/complete")
async def complete_task(
    task: TaskDep, session: SessionDep, completion: Completion | None = None
) -> TaskPublic:
    """Complete a task, or reopen it."""
    wanted = completion.completed if completion else None
    return await revise(session, task, {"completed": not task.completed if wanted is None else wanted})


@app.delete("/api/v1/tasks/{task_id}", status_code=status.HTTP_204_NO_CONTENT)
async def delete_task(task: TaskDep, session: SessionDep) -> None:
    """Delete a task."""
    task.deleted_at = now()
    session.add(task)
    await session.commit()
