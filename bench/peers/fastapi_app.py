"""The design that this service replaces: FastAPI, SQLModel and asyncpg, as their own documentation writes it.

Async sessions by a dependency, table models beside response models, PyJWT in a dependency,
a SELECT of the session and its user for each request, so that it too can revoke. It does the
operations on tasks and nothing else: no error shape, no log, no pages, no ETag.
`uvicorn --workers N` serves it, on uvloop and httptools.
"""

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated

import jwt
from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import DateTime
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlmodel import Field, SQLModel, select
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

engine = create_async_engine(os.environ["PEER_DATABASE_URL"], pool_size=10, max_overflow=10)
make_session = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)


def now() -> datetime:
    return datetime.now(UTC)


class User(SQLModel, table=True):
    __tablename__ = "users_user"
    id: uuid.UUID = Field(primary_key=True)
    email: str | None
    name: str
    subject: str | None
    is_active: bool


class Session(SQLModel, table=True):
    __tablename__ = "users_session"
    id: uuid.UUID = Field(primary_key=True)
    user_id: uuid.UUID = Field(foreign_key="users_user.id")
    expires_at: datetime = Field(sa_type=DateTime(timezone=True))
    revoked_at: datetime | None = Field(sa_type=DateTime(timezone=True))


class TaskBase(SQLModel):
    title: str = Field(min_length=1, max_length=200)
    description: str = Field(default="", max_length=1000)
    completed: bool = False


class Task(TaskBase, table=True):
    __tablename__ = "tasks_task"
    id: uuid.UUID = Field(default_factory=uuid7, primary_key=True)
    owner_id: uuid.UUID = Field(foreign_key="users_user.id")
    completed_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    created_at: datetime = Field(default_factory=now, sa_type=DateTime(timezone=True))
    updated_at: datetime = Field(default_factory=now, sa_type=DateTime(timezone=True))
    version: int = 1
    deleted_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    creation_digest: str = ""


class TaskCreate(TaskBase):
    pass


class TaskUpdate(SQLModel):
    title: str | None = Field(default=None, min_length=1, max_length=200)
    description: str | None = Field(default=None, max_length=1000)
    completed: bool | None = None


class TaskPublic(TaskBase):
    id: uuid.UUID
    user_id: str
    completed_at: datetime | None
    created_at: datetime
    updated_at: datetime
    version: int


async def get_session() -> AsyncIterator[AsyncSession]:
    async with make_session() as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(get_session)]
bearer = HTTPBearer()


async def get_current_user(
    session: SessionDep, credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]
) -> User:
    try:
        claims = jwt.decode(
            credentials.credentials,
            os.environ["JWT_SIGNING_KEY"],
            algorithms=["HS256"],
            audience="task-api",
            issuer="task-api",
        )
    except jwt.PyJWTError:
        raise HTTPException(401, "The token cannot be used.") from None
    statement = (
        select(User)
        .join(Session, Session.user_id == User.id)
        .where(
            Session.id == uuid.UUID(claims["sid"]),
            Session.revoked_at == None,  # noqa: E711  (as SQLAlchemy writes it)
            Session.expires_at > now(),
            User.is_active,
        )
    )
    user = (await session.exec(statement)).first()
    if user is None:
        raise HTTPException(401, "The token cannot be used.")
    return user


UserDep = Annotated[User, Depends(get_current_user)]


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


def public(task: Task, user: User) -> TaskPublic:
    return TaskPublic.model_validate(task, update={"user_id": user.subject or str(user.id)})


async def get_task(task_id: uuid.UUID, session: SessionDep, user: UserDep) -> Task:
    statement = select(Task).where(Task.id == task_id, Task.owner_id == user.id, Task.deleted_at == None)  # noqa: E711
    task = (await session.exec(statement)).first()
    if task is None:
        raise HTTPException(404, "There is nothing here that you can see.")
    return task


TaskDep = Annotated[Task, Depends(get_task)]


@app.get("/api/v1/tasks", response_model=list[TaskPublic])
async def list_tasks(
    session: SessionDep, user: UserDep, limit: Annotated[int, Query(ge=1, le=1000)] = 1000
) -> list[TaskPublic]:
    statement = (
        select(Task)
        .where(Task.owner_id == user.id, Task.deleted_at == None)  # noqa: E711
        .order_by(Task.created_at.desc(), Task.id.desc())
        .limit(limit)
    )
    return [public(task, user) for task in (await session.exec(statement)).all()]


@app.post("/api/v1/tasks", response_model=TaskPublic, status_code=201)
async def create_task(body: TaskCreate, session: SessionDep, user: UserDep) -> TaskPublic:
    task = Task.model_validate(body, update={"owner_id": user.id})
    if task.completed:
        task.completed_at = task.created_at
    session.add(task)
    await session.commit()
    await session.refresh(task)
    return public(task, user)


@app.get("/api/v1/tasks/{task_id}", response_model=TaskPublic)
async def read_task(task: TaskDep, user: UserDep) -> TaskPublic:
    return public(task, user)


async def store(task: Task, changes: dict, session: AsyncSession) -> None:
    task.sqlmodel_update(changes)
    if "completed" in changes:
        task.completed_at = now() if task.completed else None
    task.updated_at, task.version = now(), task.version + 1
    session.add(task)
    await session.commit()
    await session.refresh(task)


@app.patch("/api/v1/tasks/{task_id}", response_model=TaskPublic)
async def update_task(body: TaskUpdate, task: TaskDep, session: SessionDep, user: UserDep) -> TaskPublic:
    await store(task, body.model_dump(exclude_unset=True), session)
    return public(task, user)


@app.patch("/api/v1/tasks/{task_id}/complete", response_model=TaskPublic)
async def complete_task(task: TaskDep, session: SessionDep, user: UserDep) -> TaskPublic:
    await store(task, {"completed": not task.completed}, session)
    return public(task, user)


@app.delete("/api/v1/tasks/{task_id}", status_code=204)
async def delete_task(task: TaskDep, session: SessionDep) -> None:
    task.deleted_at = now()
    session.add(task)
    await session.commit()
